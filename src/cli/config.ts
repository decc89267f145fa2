import { showConfig } from "../config/show.ts";
import { exitCodes, printLine, type ExitCode, type Io } from "./io.ts";

export interface ShowOptions {
  readonly config: string;
  readonly json: boolean;
  readonly origin: boolean;
}

/** What gateway.yaml means, to be read by people or programs; secrets never. */
export async function printConfig(options: ShowOptions, io: Io): Promise<ExitCode> {
  const shown = await showConfig(options.config, io.env);
  printLine(
    io.stdout,
    options.json
      ? JSON.stringify(shown.value, undefined, 2)
      : shown.yaml({ origins: options.origin }).trimEnd(),
  );
  return exitCodes.ok;
}
