import { readFile } from "node:fs/promises";
import { compileMetadata } from "../auth/metadata.ts";
import { examineEndpoint, examineIssuers, examineToken, type Finding } from "../auth/doctor.ts";
import { inspect } from "../gateway.ts";
import { exitCodes, printLine, UsageError, type ExitCode, type Io } from "./io.ts";
import { gatewayOptions, quietPorts } from "./setup.ts";

export interface DoctorOptions {
  readonly config: string;
  readonly json: boolean;
  /** An access token, or `@file`. */
  readonly token: string | undefined;
}

/** Walks the way of a client, from discovery to a token, and says where it ends and why. */
export async function doctorAuth(options: DoctorOptions, io: Io): Promise<ExitCode> {
  const snapshot = await inspect(gatewayOptions(io, options.config, quietPorts));
  const { auth } = snapshot.config;
  if (auth.mode === "none") throw new UsageError("auth.mode is none: there is no login to look at");
  const findings: Finding[] = [...(await examineIssuers(auth, globalThis.fetch, quietPorts))];
  const place = { only: false, certificates: false };
  for (const endpoint of snapshot.endpoints) {
    const metadataUrl = compileMetadata(auth, endpoint, place).url;
    const { resource } = endpoint;
    findings.push(...(await examineEndpoint({ resource, metadataUrl }, globalThis.fetch)));
  }
  if (options.token !== undefined) {
    const token = await readToken(options.token);
    findings.push(await examineToken(token, auth, snapshot.endpoints));
  }
  printLine(
    io.stdout,
    options.json ? JSON.stringify(findings, undefined, 2) : findings.map(describe).join("\n"),
  );
  return findings.every(({ verdict }) => verdict === "ok") ? exitCodes.ok : exitCodes.refused;
}

async function readToken(given: string): Promise<string> {
  return given.startsWith("@") ? (await readFile(given.slice(1), "utf8")).trim() : given;
}

function describe({ check, verdict, code, message, fix }: Finding): string {
  if (verdict === "ok") return `ok       ${check}: ${message}`;
  return `problem  ${check} ${code}: ${message}\n         ${fix ?? ""}`;
}
