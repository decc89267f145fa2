import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ConfigError } from "../base/errors.ts";
import type { TailOptions } from "./audit.ts";
import type { QueryOptions } from "./audit-query.ts";
import type { VerifyOptions } from "./audit-verify.ts";
import type { BrokerOptions } from "./broker.ts";
import type { CallOptions } from "./call.ts";
import type { ShowOptions } from "./config.ts";
import type { DoctorOptions } from "./doctor.ts";
import { findingFormats, formatFindings, type FindingFormat } from "./findings.ts";
import { readServerInfo } from "./info.ts";
import { exitCodes, printLine, UsageError, type ExitCode, type Io } from "./io.ts";
import type { PolicyOptions } from "./policy.ts";
import type { ServeOptions } from "./serve.ts";
import type { ListOptions, ToolsOptions } from "./tools.ts";
import type { LockOptions } from "./tools-lock.ts";

/**
 * Runs one command line, without the program's name. A verb is loaded when it is called: help and
 * health checks need not wait for a server's packages.
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok;
  const program = createProgram(io, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    return explain(error, io);
  }
}

function explain(error: unknown, io: Io): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof UsageError) {
    printLine(io.stderr, `error: ${error.message}`);
    return exitCodes.usage;
  }
  if (error instanceof ConfigError) {
    printLine(io.stderr, formatFindings(error.issues, "pretty").trimEnd());
    return exitCodes.badConfiguration;
  }
  if (error instanceof Error && "syscall" in error && error.syscall === "listen") {
    const advice = listenAdvice["code" in error ? String(error.code) : ""];
    printLine(io.stderr, `error: ${error.message}${advice === undefined ? "" : `; ${advice}`}`);
    return exitCodes.refused;
  }
  throw error;
}

/** What to do about a listener that cannot be opened. */
const listenAdvice: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there: stop it, or write another port in gateway.yaml",
  EACCES:
    "this user may not open the port: listen above 1023, and let a proxy or a port mapping lead there",
  EADDRNOTAVAIL: "this machine has no such address: write one of its own, or 0.0.0.0 for all",
};

type Done = (code: ExitCode) => void;

function createProgram(io: Io, done: Done): Command {
  const program = new Command("tollgate")
    .description("The gate in front of the REST APIs a company already has: OpenAPI to MCP.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    });
  addServe(program, io, done);
  addTools(program, io, done);
  addCall(program, io, done);
  addBroker(program, io, done);
  addRest(program, io, done);
  return program;
}

function command(parent: Command, name: string, description: string, io: Io): Command {
  const file = new Option("-c, --config <file>", "gateway.yaml").default(
    io.env["TOLLGATE_CONFIG"] ?? "gateway.yaml",
    "$TOLLGATE_CONFIG or gateway.yaml",
  );
  return parent.command(name).description(description).addOption(file);
}

function addServe(program: Command, io: Io, done: Done): void {
  const level = new Option("--log-level <level>", "least severe log lines to write")
    .choices(["debug", "info", "warn", "error"])
    .default(io.env["TOLLGATE_LOG_LEVEL"] ?? "info");
  command(program, "serve", "serve the tools over HTTP, or over standard input and output", io)
    .option("--stdio", "speak MCP on standard input and output", false)
    .option("--no-watch", "do not reload when gateway.yaml or a document changes")
    .addOption(level)
    .action(async (options: ServeOptions) => {
      const { serve } = await import("./serve.ts");
      done(await serve(options, io));
    });
  const format = new Option("--format <format>", "how to print findings")
    .choices(findingFormats)
    .default("pretty");
  command(program, "validate", "check gateway.yaml and its documents without serving", io)
    .addOption(format)
    .action(async (options: { config: string; format: FindingFormat }) => {
      const { validate } = await import("./validate.ts");
      done(await validate(options, io));
    });
}

function addTools(program: Command, io: Io, done: Done): void {
  const tools = program.command("tools").description("look at the tools");
  const as = "show what this caller is shown: 'sub=alice,scope=courses:read'";
  command(tools, "list", "name, operation, scopes and size of every tool", io)
    .option("--json", "the entries of tools/list", false)
    .option("--tokens", "the largest first, and what all of them cost a model", false)
    .option("--as <who>", as)
    .action(async (options: ListOptions) => {
      const { listTools } = await import("./tools.ts");
      done(await listTools(options, io));
    });
  command(tools, "show", "one tool: where each argument goes, and its tools/list entry", io)
    .argument("<name>")
    .option("--json", "the exact tools/list entry", false)
    .option("--as <who>", as)
    .action(async (name: string, options: ToolsOptions) => {
      const { showTool } = await import("./tools.ts");
      done(await showTool(name, options, io));
    });
  command(tools, "lock", "write tools.lock.json, a hash of every tool, beside gateway.yaml", io)
    .option("--check", "write nothing; exit 1 when a tool is new, gone, changed or renamed", false)
    .option("--json", "print JSON", false)
    .action(async (options: LockOptions) => {
      const { lockTools } = await import("./tools-lock.ts");
      done(await lockTools(options, io));
    });
}

function addCall(program: Command, io: Io, done: Done): void {
  command(program, "call", "call a tool, or show the request it would send", io)
    .argument("<name>")
    .argument("[pairs...]", "arguments as name=value")
    .option("--args <json>", "arguments as a JSON object, or @file")
    .option("--dry-run", "print the request with its secrets masked, send nothing", false)
    .option("--json", "print JSON", false)
    .option("-y, --yes", "agree to a call that somebody has to agree to, without a question", false)
    .option("--token <token>", "access token for this gateway, or @file; else TOLLGATE_TOKEN")
    .option(
      "--as <who>",
      "with --dry-run: 'sub=alice,scope=courses:read', or a token or @file to explain each step",
    )
    .action(async (name: string, pairs: string[], options: Omit<CallOptions, "pairs">) => {
      const { call } = await import("./call.ts");
      done(await call(name, { ...options, pairs }, io));
    });
}

/** Ids are made of chance, one in 64 begins so. */
const dashedIds = "An id that begins with a dash goes behind two of them: revoke -- -x7Yz";

function addBroker(program: Command, io: Io, done: Done): void {
  const broker = program
    .command("broker")
    .description("look into the store of the embedded authorization server");
  const json = ["--json", "print JSON", false] as const;
  const clients = broker.command("clients").description("clients that registered themselves");
  command(clients, "list", "who they are and where they send people", io)
    .option(...json)
    .action(async (options: BrokerOptions) => {
      const { listClients } = await import("./broker.ts");
      done(await listClients(options, io));
    });
  command(clients, "revoke", "forget clients and end every grant they have", io)
    .argument("<ids...>")
    .showHelpAfterError(dashedIds)
    .option(...json)
    .action(async (ids: string[], options: BrokerOptions) => {
      const { revoke } = await import("./broker.ts");
      done(await revoke("client", ids, options, io));
    });
  const grants = broker.command("grants").description("what people allowed to clients");
  command(grants, "list", "who allowed what to whom, and until when", io)
    .option("--user <sub>", "of this person")
    .option("--client <id>", "to this client")
    .option(...json)
    .action(async (options: BrokerOptions & { user?: string; client?: string }) => {
      const { listGrants } = await import("./broker.ts");
      done(await listGrants(options, io));
    });
  command(grants, "revoke", "end grants: no new tokens from now on", io)
    .argument("[ids...]")
    .showHelpAfterError(dashedIds)
    .option("--user <sub>", "all of this person")
    .option(...json)
    .action(async (ids: string[], options: BrokerOptions & { user?: string }) => {
      const { revoke } = await import("./broker.ts");
      done(await revoke("grant", ids, options, io));
    });
}

const queryFormats = ["table", "csv", "json", "ocsf", "ecs", "cloudevents"] as const;

/** A call that may change something has two records; its result is the one that counts. */
const finished = ["event=tool.call", "phase=result"];

const tops = {
  users: { countBy: "actor.sub", where: finished },
  tools: { countBy: "tool.name", where: finished },
  denials: { countBy: "reason,actor.sub", where: ["outcome=denied"] },
} as const;

function addText(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function addRest(program: Command, io: Io, done: Done): void {
  const doctor = program.command("doctor").description("find out why something does not work");
  command(doctor, "auth", "walk a client's way: discovery, keys, challenge, metadata, token", io)
    .option("--token <token>", "an access token to judge, or @file")
    .option("--json", "print JSON", false)
    .action(async (options: DoctorOptions) => {
      const { doctorAuth } = await import("./doctor.ts");
      done(await doctorAuth(options, io));
    });
  const policy = program.command("policy").description("try who may do what");
  command(policy, "test", "run a table of cases against the policy; nothing is sent", io)
    .argument("<file>")
    .option("--json", "print JSON", false)
    .action(async (file: string, options: PolicyOptions) => {
      const { testPolicy } = await import("./policy.ts");
      done(await testPolicy(file, options, io));
    });
  const config = program.command("config").description("look at the configuration");
  command(config, "show", "what gateway.yaml means: defaults and presets filled in", io)
    .option("--origin", "say where each value is from", false)
    .option("--json", "print JSON", false)
    .action(async (options: ShowOptions) => {
      const { printConfig } = await import("./config.ts");
      done(await printConfig(options, io));
    });
  const audit = program.command("audit").description("look at the audit log");
  command(audit, "tail", "the last records", io)
    .option("-n, --lines <count>", "how many", readCount, 20)
    .option("-f, --follow", "wait for new ones", false)
    .option("--where <test>", "only records such as upstream.status>=500", addText, [])
    .option("--json", "the records as they are", false)
    .action(async (options: TailOptions) => {
      const { tailAudit } = await import("./audit.ts");
      done(await tailAudit(options, io));
    });
  const question = (name: string, description: string): Command =>
    command(audit, name, description, io)
      .argument("[files...]", "oldest first, .gz too; the default is the file of gateway.yaml")
      .option("--since <time>", "ISO 8601, or how long ago: 30m, 24h, 7d")
      .option("--until <time>", "the same")
      .option("--user <sub>", "who called")
      .option("--tool <name>", "which tool; * stands for any characters")
      .option("--client <id>", "which OAuth client")
      .option("--outcome <outcome>", "success, failure, denied, cancelled or shed")
      .option("--event <event>", "such as tool.call")
      .option(
        "--where <test>",
        "path=value or path>=number, such as upstream.status>=500; may be repeated",
        addText,
        [],
      )
      .option("--arg <name=value>", "an argument that the log shows; may be repeated", addText, [])
      .option(
        "--before <test>",
        "records such as tool.egress=external, and what the same person did before each",
      )
      .option("--within <time>", "how long before", "15m");
  question("query", "records that match, or how many of each kind")
    .addOption(new Option("--format <format>").choices(queryFormats).default("table"))
    .option("--count-by <paths>", "counts instead, such as actor.client_id,tool.name")
    .option("-n, --limit <count>", "the last records or the largest counts", readCount, 1_000)
    .action(async (files: string[], options: Omit<QueryOptions, "files">) => {
      const { queryAudit } = await import("./audit-query.ts");
      done(await queryAudit({ ...options, files }, io));
    });
  question("export", "records that match, one JSON object a line")
    .addOption(new Option("--format <format>").choices(queryFormats.slice(2)).default("json"))
    .action(async (files: string[], options: Omit<QueryOptions, "files" | "limit">) => {
      const { queryAudit } = await import("./audit-query.ts");
      done(await queryAudit({ ...options, files, limit: 0 }, io));
    });
  question("stats", "the users or tools with most calls, or the most frequent refusals")
    .addOption(new Option("--top <what>").choices(Object.keys(tops)).default("tools"))
    .addOption(new Option("--format <format>").choices(["table", "csv", "json"]).default("table"))
    .option("-n, --limit <count>", "how many", readCount, 20)
    .action(
      async (
        files: string[],
        { top, ...options }: Omit<QueryOptions, "files"> & { readonly top: keyof typeof tops },
      ) => {
        const { queryAudit } = await import("./audit-query.ts");
        const { countBy, where } = tops[top];
        done(
          await queryAudit({ ...options, countBy, where: [...options.where, ...where], files }, io),
        );
      },
    );
  command(audit, "explain", "what is known of one record, and why", io)
    .argument("<id>", "of a record")
    .argument("[files...]", "the default is the file of gateway.yaml")
    .action(async (id: string, files: string[], options: { config: string }) => {
      const { explainAudit } = await import("./audit-query.ts");
      done(await explainAudit(id, { ...options, files }, io));
    });
  command(audit, "verify", "whether the log is whole and as it was written", io)
    .argument("[files...]", "oldest first; the default is the file of gateway.yaml")
    .option("--anchor <file>", "checkpoints, or a log with them, that were kept elsewhere")
    .option("--public-key <file>", "of the key that signs checkpoints, as PEM")
    .option("--json", "the report as it is", false)
    .action(async (files: string[], options: Omit<VerifyOptions, "files">) => {
      const { verifyAudit } = await import("./audit-verify.ts");
      done(await verifyAudit({ ...options, files }, io));
    });
  command(program, "healthcheck", "ask the running gateway whether it lives", io)
    .option("--ready", "ask whether it is ready to serve", false)
    .action(async (options: { config: string; ready: boolean }) => {
      const { healthcheck } = await import("./healthcheck.ts");
      done(await healthcheck(options, io));
    });
  program
    .command("schema")
    .description("the JSON Schema of gateway.yaml, for editors")
    .action(async () => {
      const { gatewaySchema } = await import("../config/schema/gateway.ts");
      printLine(io.stdout, JSON.stringify(gatewaySchema, undefined, 2));
    });
  program
    .command("version")
    .description("the version")
    .option("--json", "print JSON", false)
    .action(({ json }: { json: boolean }) => {
      const { name, version } = readServerInfo();
      const node = process.version;
      printLine(io.stdout, json ? JSON.stringify({ name, version, node }) : version);
    });
}

function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError("not a count");
  return count;
}
