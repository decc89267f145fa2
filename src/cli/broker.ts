import { escapeText } from "../base/text.ts";
import type { Ledger, LedgerClient, LedgerGrant } from "../broker/ledger.ts";
import { loadConfig } from "../config/load.ts";
import { exitCodes, formatTable, printLine, UsageError, type ExitCode, type Io } from "./io.ts";
import { quietPorts } from "./setup.ts";

export interface BrokerOptions {
  readonly config: string;
  readonly json: boolean;
}

/** Who may ask people to log in, because they registered. */
export async function listClients(options: BrokerOptions, io: Io): Promise<ExitCode> {
  return withLedger(options, io, async (ledger) => {
    const clients = await ledger.clients();
    if (options.json) printLine(io.stdout, JSON.stringify(clients, undefined, 2));
    else printLine(io.stdout, formatTable([clientHead, ...clients.map(clientRow)]));
    return exitCodes.ok;
  });
}

/** Who allowed what to whom. */
export async function listGrants(
  options: BrokerOptions & { readonly user?: string; readonly client?: string },
  io: Io,
): Promise<ExitCode> {
  return withLedger(options, io, async (ledger) => {
    const grants = (await ledger.grants()).filter(
      ({ sub, clientId }) =>
        (options.user === undefined || options.user === sub) &&
        (options.client === undefined || options.client === clientId),
    );
    if (options.json) printLine(io.stdout, JSON.stringify(grants, undefined, 2));
    else printLine(io.stdout, formatTable([grantHead, ...grants.map(grantRow)]));
    return exitCodes.ok;
  });
}

/** A running gateway hears of it within a second, and refuses the access tokens that are out. */
export async function revoke(
  kind: "client" | "grant",
  ids: readonly string[],
  options: BrokerOptions & { readonly user?: string },
  io: Io,
): Promise<ExitCode> {
  return withLedger(options, io, async (ledger) => {
    const ofUser = options.user === undefined ? [] : await grantsOf(ledger, options.user);
    const all = [...ids, ...ofUser];
    if (ids.length === 0 && options.user === undefined)
      throw new UsageError(
        `name a ${kind}, or --user; an id that begins with a dash goes behind --`,
      );
    const end = kind === "client" ? ledger.revokeClient : ledger.revokeGrant;
    const results: { readonly id: string; readonly revoked: boolean }[] = [];
    for (const id of all) results.push({ id, revoked: await end(id) });
    if (options.json) printLine(io.stdout, JSON.stringify(results, undefined, 2));
    else
      for (const { id, revoked } of results)
        printLine(io.stdout, `${escapeText(id)}  ${revoked ? "revoked" : `no such ${kind}`}`);
    return results.every(({ revoked }) => revoked) ? exitCodes.ok : exitCodes.refused;
  });
}

async function grantsOf(ledger: Ledger, user: string): Promise<readonly string[]> {
  return (await ledger.grants()).filter(({ sub }) => sub === user).map(({ id }) => id);
}

async function withLedger(
  { config: file }: BrokerOptions,
  io: Io,
  work: (ledger: Ledger) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { broker } = await loadConfig(file, io.env);
  if (broker === undefined) throw new UsageError(`${file} has no broker`);
  if (broker.store.kind === "memory")
    throw new UsageError("broker.store is memory, which only the running gateway can see");
  const { openLedger } = await import("../broker/ledger.ts");
  const ledger = await openLedger(broker.store, quietPorts).catch((error: unknown) => {
    throw new UsageError(
      `broker.store cannot be opened: ${error instanceof Error ? escapeText(error.message) : "unknown"}`,
    );
  });
  try {
    return await work(ledger);
  } finally {
    await ledger.close();
  }
}

const clientHead = ["CLIENT", "NAME", "REDIRECTS", "REGISTERED", "USED"];

function clientRow({ id, name, redirectUris, registeredAt, usedAt }: LedgerClient): string[] {
  const redirects = redirectUris.map((uri) => escapeText(uri, 64)).join(" ");
  return [
    escapeText(id),
    escapeText(name ?? "", 32),
    redirects,
    registeredAt.slice(0, 16),
    usedAt.slice(0, 10),
  ];
}

const grantHead = ["GRANT", "USER", "CLIENT", "SCOPES", "GRANTED", "ENDS"];

function grantRow({ id, sub, clientId, scopes, grantedAt, endsAt }: LedgerGrant): string[] {
  return [
    escapeText(id),
    escapeText(sub, 64),
    escapeText(clientId, 64),
    scopes.map((scope) => escapeText(scope, 64)).join(" "),
    grantedAt.slice(0, 16),
    endsAt.slice(0, 10),
  ];
}
