import type { FastifyError } from "fastify";
import { Problem, type Fault } from "./problem.ts";

/** What a request failed with, as the problem that its client gets to read. */
export function toProblem(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error;
  if (error.validation) return validationProblem(error);
  const { statusCode: status = 500 } = error;
  if (status === 413) return new Problem("body-too-large", "Send a smaller body.");
  if (status === 415) {
    return new Problem("unsupported-media-type", "Send Content-Type: application/json.");
  }
  if (status < 500) {
    return new Problem("malformed-request", "The request is not valid HTTP or its body not JSON.");
  }
  return new Problem("internal-error", "The fault is on this side. Try again later.", {
    cause: error,
  });
}

function validationProblem({ validation = [], validationContext }: FastifyError): Problem {
  const inBody = validationContext === "body";
  const faults = validation.map(({ instancePath, params, message: detail = "is not valid" }) => {
    const extra = params["missingProperty"] ?? params["additionalProperty"];
    const pointer = extra === undefined ? instancePath : `${instancePath}/${escapePointer(extra)}`;
    return inBody ? { pointer, detail } : { parameter: pointer.slice(1), detail };
  }) satisfies readonly Fault[];
  const where = faults.map((fault) => `${nameOf(fault)}: ${fault.detail}`).join("; ");
  return new Problem(inBody ? "invalid-body" : "invalid-parameters", where, { faults });
}

function nameOf(fault: Fault): string {
  if ("parameter" in fault) return fault.parameter;
  return fault.pointer === "" ? "body" : fault.pointer;
}

/** RFC 6901 §3; an unknown member's name comes from the client, so its length is cut. */
function escapePointer(name: unknown): string {
  return String(name).slice(0, 64).replaceAll("~", "~0").replaceAll("/", "~1");
}
