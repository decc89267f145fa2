import type { ErrorObject } from "ajv/dist/2020.js";
import { isJsonObject, type JsonValue } from "../base/json.ts";

/** One finding of the schema; for a value that fits no form, `expected` lists their types. */
export interface SchemaError {
  readonly error: ErrorObject;
  readonly expected: readonly string[];
}

/**
 * Keeps what an operator should read. Where several forms are allowed, the value's type says which
 * one was meant: only that form's errors count, and with none meant there is one wrong type.
 */
export function withoutNoise(errors: readonly ErrorObject[]): readonly SchemaError[] {
  const meant = new Map<string, number>();
  for (const error of errors)
    if (error.keyword === "anyOf")
      meant.set(placeKey(error.instancePath, error.schemaPath), formOf(error));
  return errors.flatMap((error) => {
    if (isDetail(error) || !inMeantForm(error, meant)) return [];
    if (error.keyword !== "anyOf") return [{ error, expected: typesOf(error.parentSchema) }];
    return formOf(error) === -1 ? [{ error, expected: branchesOf(error).flatMap(typesOf) }] : [];
  });
}

/** Errors that only explain another one: of a key's name, or of one alternative of `oneOf`. */
function isDetail(error: ErrorObject): boolean {
  if (error.keyword === "oneOf") return !isJsonObject(error.data);
  return error.schemaPath.includes("/oneOf/") || error.schemaPath.includes("/propertyNames/");
}

function inMeantForm(error: ErrorObject, meant: ReadonlyMap<string, number>): boolean {
  for (const match of error.schemaPath.matchAll(/\/anyOf\/(\d+)\//g)) {
    const place = `${error.schemaPath.slice(0, match.index)}/anyOf`;
    const form = ancestors(error.instancePath)
      .map((path) => meant.get(placeKey(path, place)))
      .find((found) => found !== undefined);
    if (form !== undefined && form !== Number(match[1])) return false;
  }
  return true;
}

/** The path itself, then its parents up to the root. */
function ancestors(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, i) => parts.slice(0, parts.length - i).join("/"));
}

function placeKey(instancePath: string, schemaPath: string): string {
  return `${instancePath} ${schemaPath}`;
}

function formOf(error: ErrorObject): number {
  return branchesOf(error).findIndex((branch) => typesOf(branch).includes(typeName(error.data)));
}

function branchesOf(error: ErrorObject): readonly JsonValue[] {
  return error.schema as readonly JsonValue[];
}

function typesOf(schema: JsonValue | object | undefined): readonly string[] {
  const type = (schema as { type?: string | readonly string[] } | undefined)?.type;
  if (type === undefined) return [];
  return typeof type === "string" ? [type] : type;
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value;
}
