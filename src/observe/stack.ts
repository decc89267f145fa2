import { readFileSync } from "node:fs";

/** The folder that holds the folders of the program's files. */
const ownHome = new URL("..", import.meta.url).href;

const maxKnown = 1_000;
/** `FILE:ROW:COLUMN` of the bundle, and of the sources. */
const known = new Map<string, string>();

/**
 * The stack of an error with places in the sources instead of the bundle, as far as maps lie beside its
 * files. Node does that too (`--enable-source-maps`) and reads every map at start for it: 70 ms and 22
 * MB. Here the first error of its kind reads one, in 40 ms, and keeps only what it was told: Node's own
 * `SourceMap` takes 165 ms and 55 MB for the largest, and the disk may be full when it is asked.
 *
 * @param home URL of the folder that the program lies in; what is outside it is left as it is.
 */
export function readStack({ stack, message }: Error, home: string = ownHome): string {
  const lines = (stack ?? message).split("\n");
  const frames = lines.map((line) => readFrame(line, home));
  if (known.size >= maxKnown) known.clear();
  learn(frames.filter((frame) => frame !== undefined).slice(0, maxFrames));
  return lines
    .map((line, index) => {
      const frame = frames[index];
      return frame ? `${frame.before}${known.get(frame.place) ?? frame.place}${frame.after}` : line;
    })
    .join("\n");
}

interface Frame {
  readonly before: string;
  readonly place: string;
  readonly after: string;
  readonly file: string;
  /** From 0, as maps count them. */
  readonly row: number;
  readonly column: number;
}

const maxFrames = 50;
const maxFrameLength = 1_000;
const frameForm = /^( +at .*)\b(file:[^\s():]+):(\d+):(\d+)(\)?)$/;

/** Lines of the message may look like a frame; they lead to no other file. */
function readFrame(line: string, home: string): Frame | undefined {
  if (line.length > maxFrameLength) return undefined;
  const [, before = "", file = "", row, column, after = ""] = frameForm.exec(line) ?? [];
  const isOurs = file.startsWith(home) && /^[\w-]+\/[\w-]+\.js$/.test(file.slice(home.length));
  if (!isOurs) return undefined;
  const place = `${file}:${row}:${column}`;
  return { before, place, after, file, row: Number(row) - 1, column: Number(column) - 1 };
}

/** Reads the map of each file once. */
function learn(frames: readonly Frame[]): void {
  const unknown = frames.filter(({ place }) => !known.has(place));
  for (const file of new Set(unknown.map((frame) => frame.file))) {
    const inside = unknown.filter((frame) => frame.file === file);
    for (const { place } of inside) known.set(place, place);
    const map = readMap(file);
    if (map === undefined) continue;
    for (const [{ place }, { source, row, column }] of locate(map.mappings, inside)) {
      const name = map.sources[source];
      if (name !== undefined)
        known.set(place, `${new URL(name, file).href}:${row + 1}:${column + 1}`);
    }
  }
}

/** A source map (ECMA-426), as far as it says where code is from. */
interface SourceMap {
  readonly sources: readonly string[];
  readonly mappings: string;
}

function readMap(file: string): SourceMap | undefined {
  try {
    return JSON.parse(readFileSync(new URL(`${file}.map`), "utf8")) as SourceMap;
  } catch {
    // Who published the bundle left the maps out.
    return undefined;
  }
}

interface Origin {
  readonly source: number;
  readonly row: number;
  readonly column: number;
}

/** What the last segment at or before each frame, in its row, leads to. */
function locate(mappings: string, frames: readonly Frame[]): ReadonlyMap<Frame, Origin> {
  const rows = new Set(frames.map((frame) => frame.row));
  const found = new Map<Frame, Origin>();
  walk(mappings, (at, fields) => {
    if (!rows.has(at)) return;
    const [from = 0, source = 0, row = 0, column = 0] = fields;
    for (const frame of frames) {
      if (frame.row !== at || frame.column < from) continue;
      if (fields.length < 4) found.delete(frame);
      else found.set(frame, { source, row, column });
    }
  });
  return found;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const digits = new Map(Array.from(alphabet, (letter, digit) => [letter.charCodeAt(0), digit]));
const semicolon = 0x3b;

/**
 * Visits every segment with its row and its fields: the column, and where that is from. Numbers are
 * differences to the ones before, in base 64, five bits a letter, lowest first; the first bit of all
 * is the sign.
 */
function walk(mappings: string, visit: (row: number, fields: readonly number[]) => void): void {
  const sums = [0, 0, 0, 0, 0];
  let [row, field, value, shift] = [0, 0, 0, 0];
  for (let at = 0; at <= mappings.length; at++) {
    const digit = digits.get(mappings.charCodeAt(at));
    if (digit === undefined) {
      if (field > 0) visit(row, sums.slice(0, field));
      field = 0;
      if (mappings.charCodeAt(at) !== semicolon) continue;
      row++;
      sums[0] = 0;
      continue;
    }
    value += (digit & 31) << shift;
    shift += 5;
    if (digit >= 32) continue;
    sums[field] = (sums[field] ?? 0) + (value & 1 ? -(value >>> 1) : value >>> 1);
    field++;
    value = 0;
    shift = 0;
  }
}
