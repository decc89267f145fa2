import type { Matrix } from "./row.ts";

export const faults: Matrix = {
  page: "docs/fault-matrix.md",
  title: "Fault matrix",
  about:
    "What breaks around Tollgate, what must come of it, and what a run of the tests saw. In every row the process lives, other APIs and callers are served, nothing leaks, and the call has one audit record.",
  heading: "Fault",
  sections: [
    {
      title: "APIs",
      rows: [
        {
          id: "F01",
          what: "no first byte of an answer",
          expected: "`upstream_timeout` at the time limit, the connection is closed",
        },
        {
          id: "F02",
          what: "an answer that drips without end",
          expected: "the whole time limit ends it",
        },
        {
          id: "F03",
          what: "nothing after the head",
          expected: "the time limit of the body ends it",
        },
        {
          id: "F04",
          what: "a reset before the head",
          expected: "GET is sent once more, POST is not; attempts are in the record",
        },
        {
          id: "F06",
          what: "an end of the stream with the length met, or not",
          expected: "an answer when complete, else an error",
        },
        { id: "F07", what: "what is no HTTP", expected: "`upstream_protocol`" },
        {
          id: "F08",
          what: "an answer with length and chunks",
          expected: "refused; the connection is not used again",
        },
        { id: "F09", what: "40 kB of headers", expected: "an error" },
        {
          id: "F11",
          what: "65 kB that inflate to 64 MiB",
          expected: "stopped at the limit; memory grows by less than 20 MB",
        },
        {
          id: "F12",
          what: "brotli, zstd, two codings, an unknown one",
          expected: "one known coding only",
        },
        {
          id: "F13",
          what: "a wrong type, broken JSON, a byte order mark, UTF-16, half pairs",
          expected: "text with a label, never a crash",
        },
        {
          id: "F14",
          what: "204, 205, 304, a storm of 1xx",
          expected: "told for what they are; 103 is ignored; more than ten are an error",
        },
        {
          id: "F16",
          what: "`Retry-After` in seconds, as a date, huge, garbage",
          expected: "kept when short, else told to the model",
        },
        {
          id: "F17",
          what: "no such name, a failing, slow or changing DNS, one dead address of two",
          expected: "a quick error; a new address is found; the living address serves",
        },
        {
          id: "F18",
          what: "certificates that are expired, of another host, self-signed; old TLS; a stalled handshake",
          expected: "refused, nothing is sent",
        },
        {
          id: "F19",
          what: "a kept connection that the API closes at the same moment",
          expected: "sent again only when nothing was sent, or the method allows it",
        },
        {
          id: "F21",
          what: "128 hung calls at one API",
          expected: "`upstream_busy` there, other APIs are served",
        },
        {
          id: "F22",
          what: "no file descriptors left",
          expected: "refuses, lives, recovers",
        },
        { id: "F23", what: "an HTTP/1.0 API without keep-alive", expected: "served" },
        {
          id: "F24",
          what: "a stream of events or chunks",
          expected: "bounded; closed when the caller leaves",
        },
        {
          id: "F26",
          what: "an API that answers 503 to everything",
          expected: "sees at most 1.2 times the calls",
        },
      ],
    },
    {
      title: "Identity providers",
      rows: [
        {
          id: "F31",
          what: "the issuer is down",
          expected: "known keys verify for six hours; an unknown key is a quick 401",
        },
        {
          id: "F32",
          what: "keys that rotate",
          expected: "one fetch, no 401 for good tokens beyond it",
        },
        {
          id: "F33",
          what: "a flood of unknown key ids",
          expected: "one fetch in 30 s; no key is lost",
        },
        {
          id: "F34",
          what: "a key set that is slow, huge, no JSON, empty, 500",
          expected: "the last good one stays",
        },
        { id: "F36", what: "metadata of another issuer, http, a redirect", expected: "refused" },
        {
          id: "F37",
          what: "a token endpoint that answers 429, 500, slowly, rubbish",
          expected: "the call fails as `token_exchange_failed`; the caller's token is never used",
        },
        {
          id: "F38",
          what: "an exchanged token of another audience, a short life, or opaque",
          expected: "kept no longer than it lives; checked when it can be",
        },
        {
          id: "F39",
          what: "clocks that differ or jump",
          expected: "30 s of leeway; waiting does not depend on the clock",
        },
      ],
    },
    {
      title: "Configuration",
      rows: [
        {
          id: "F41",
          what: "a document that is broken, deleted, half-written, empty, swapped, unreadable",
          expected: "the last good one serves; the reason is told; no client is disturbed",
        },
        {
          id: "F42",
          what: "50 changes a second under load",
          expected: "no failed call, flat memory and descriptors",
          open: "the slope of the heap is judged by `npm run test:reloads`, not in this run",
        },
        {
          id: "F43",
          what: "a remote document that is down, changed, unchanged, huge",
          expected: "the last good one; asked conditionally; bounded",
        },
        {
          id: "F44",
          what: "a secret file that is rotated, or deleted",
          expected: "the new value within two seconds; the old one and a finding",
        },
        {
          id: "F46",
          what: "another listening port in the file",
          expected: "bound before the old one is let go; where it cannot be bound, nothing changes",
        },
      ],
    },
    {
      title: "Audit and logs",
      rows: [
        {
          id: "F51",
          what: "the audit directory read-only, deleted, rotated",
          expected: "opened anew; told; nothing unrecorded is sent where that is forbidden",
        },
        {
          id: "F52",
          what: "nobody reads the log",
          expected: "calls go on; what finds no room is dropped and counted",
        },
        {
          id: "F53",
          what: "a network sink that is slow or down",
          expected: "a bounded spool that catches up in order; no call notices",
        },
        {
          id: "F54",
          what: "SIGKILL while writing",
          expected:
            "only last lines are torn; in fsync mode no answered call is without its record",
        },
      ],
    },
    {
      title: "Processes and clients",
      rows: [
        { id: "F56", what: "a second signal", expected: "ends at once with 130, recorded" },
        {
          id: "F57",
          what: "a client that leaves",
          expected: "the request to the API is closed; `cancelled`; nothing is sent after",
        },
        {
          id: "F58",
          what: "stdio: cancel, end, broken pipe, partial, giant or garbled lines",
          expected: "cancelled; drained and 0; bounded",
        },
        { id: "F59", what: "a client that does not read", expected: "closed; memory stays flat" },
        {
          id: "F61",
          what: "a heap near its limit",
          expected: "refuses before it fails; the log verifies after",
        },
        {
          id: "F62",
          what: "an error that nobody caught",
          expected: "logged, the log is flushed, 70",
        },
        {
          id: "F63",
          what: "an expression or pattern that spins",
          expected: "ended in its budget; only that call fails",
        },
        {
          id: "F64",
          what: "Redis that is down at start or in flight, slow, read-only, wrong password",
          expected: "limits go on locally; start is not held up; no call fails",
        },
        { id: "F66", what: "time zones and locales", expected: "UTC in all output" },
        { id: "F67", what: "no watches left", expected: "looked at by polling" },
        {
          id: "F68",
          what: "10,000 listening clients",
          expected: "under 400 MB; the limit holds; kept alive",
        },
        {
          id: "F69",
          what: "a proxy that cuts idle streams",
          expected: "kept alive in less than 30 s, not buffered",
        },
      ],
    },
    {
      title: "Proxies and replicas",
      rows: [
        {
          id: "R01",
          what: "nginx and HAProxy in front",
          expected: "calls, streams and cancels as without; no failed call on kept connections",
        },
        {
          id: "R02",
          what: "nginx and HAProxy between the gateway and an API",
          expected: "the same request arrives; errors of the proxy are errors of the API",
        },
        {
          id: "R03",
          what: "arguments through nginx, HAProxy and node:http",
          expected: "each reads the same argument below the base path",
        },
        {
          id: "R04",
          what: "three replicas restarted in turn under load, four revisions",
          expected: "no failed call but those in flight on a killed process",
        },
        {
          id: "R05",
          what: "5 % random faults and a reload every 10 s",
          expected: "no unexplained error, flat heap, one record for every call",
          open: "the slope of the heap is judged by `npm run test:soak`, not in this run",
        },
        {
          id: "R06",
          what: "three times the load that can be served",
          expected: "80 % of the peak goes on; recovered within 5 s; bounded memory",
        },
      ],
    },
  ],
};
