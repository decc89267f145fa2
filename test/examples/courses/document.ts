import { readFile } from "node:fs/promises";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { parse } from "yaml";

interface DocumentedOperation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly tags: readonly string[];
  /** JSON Pointer of the operation. */
  readonly pointer: string;
}

export interface CoursesDocument {
  readonly root: object;
  readonly operations: ReadonlyMap<string, DocumentedOperation>;
  /** What lies at a JSON Pointer; undefined where nothing does. `$ref`s are followed. */
  readonly at: (pointer: string) => unknown;
  /** Faults of a value against the schema at a JSON Pointer; empty when it fits. */
  readonly faults: (schemaPointer: string, value: unknown) => readonly ErrorObject[];
  /** Where an answer's response object is; throws when the operation names no such status. */
  readonly response: (operationId: string, status: number) => string;
}

const file = new URL("../../../specs/courses.yaml", import.meta.url);

/** The published document, with its schemas ready to check answers. */
export async function readDocument(): Promise<CoursesDocument> {
  const root = parse(await readFile(file, "utf8")) as object;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema(root, "courses");

  function locate(pointer: string): { readonly pointer: string; readonly value: unknown } {
    let found = { pointer: "", value: root as unknown };
    for (const key of pointer.split("/").slice(1)) {
      const name = key.replaceAll("~1", "/").replaceAll("~0", "~");
      const value = (found.value as Record<string, unknown> | undefined)?.[name];
      const reference = (value as { $ref?: string } | undefined)?.$ref;
      found =
        reference === undefined
          ? { pointer: `${found.pointer}/${key}`, value }
          : locate(reference.slice(1));
    }
    return found;
  }

  const operations = new Map<string, DocumentedOperation>();
  for (const [path, item] of Object.entries(locate("/paths").value as object)) {
    for (const [method, operation] of Object.entries(item as object)) {
      if (method === "parameters") continue;
      const { operationId: id, tags } = operation as { operationId: string; tags: string[] };
      const pointer = `/paths/${path.replaceAll("/", "~1")}/${method}`;
      operations.set(id, { id, method: method.toUpperCase(), path, tags, pointer });
    }
  }

  return {
    root,
    operations,
    at: (pointer) => locate(pointer).value,
    faults(schemaPointer, value) {
      const ref = `courses#${schemaPointer.split("/").map(encodeURIComponent).join("/")}`;
      const check = ajv.getSchema(ref);
      if (!check) throw new Error(`no schema at ${schemaPointer}`);
      return check(value) ? [] : (check.errors ?? []);
    },
    response(operationId, status) {
      const operation = operations.get(operationId);
      const found = locate(`${operation?.pointer}/responses/${status}`);
      if (found.value === undefined) throw new Error(`${operationId} documents no ${status}`);
      return found.pointer;
    },
  };
}
