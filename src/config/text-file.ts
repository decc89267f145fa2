import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

export type TextFile =
  | { readonly ok: true; readonly text: string; readonly worldReadable: boolean }
  | { readonly ok: false; readonly code: string; readonly reason: string };

/** Reads a regular file of UTF-8 text. Never throws, never waits for a pipe or a device. */
export async function readTextFile(path: string, maxBytes: number): Promise<TextFile> {
  let file: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe waits for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return await readText(file, maxBytes);
  } catch (error) {
    return fault(error);
  } finally {
    await file?.close();
  }
}

async function readText(file: FileHandle, maxBytes: number): Promise<TextFile> {
  const info = await file.stat();
  if (!info.isFile()) return refuse("unreadable_file", "it is not a regular file");
  const buffer = Buffer.alloc(Math.min(info.size, maxBytes) + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    length += bytesRead;
    if (bytesRead === 0 || length === buffer.length) break;
  }
  // One byte more than allowed, or than there was when it was measured.
  if (length > maxBytes) return refuse("too_large", `it is larger than ${maxBytes} bytes`);
  if (length > info.size) return refuse("unreadable_file", "it changed while it was read");
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, length));
    return { ok: true, text, worldReadable: (info.mode & 0o004) !== 0 };
  } catch {
    return refuse("invalid_encoding", "it is not UTF-8 text");
  }
}

function refuse(code: string, reason: string): TextFile {
  return { ok: false, code, reason };
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOTDIR: "it does not exist",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
};

function fault(error: unknown): TextFile {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const missing = code === "ENOENT" || code === "ENOTDIR";
  return refuse(
    missing ? "file_not_found" : "unreadable_file",
    reasons[code] ?? `failed (${code})`,
  );
}
