import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { SyslogConfig } from "../../config/types/audit.ts";
import { textAt } from "../record/query.ts";
import type { ShippedRecord, Transport } from "./shipper.ts";

/** No answer says that a line arrived, so those of the last moments are sent again after a break. */
const confirmMs = 2_000;
/** RFC 5424 §6.2.1: 13 is "log audit". */
const facility = 13;
const severities = new Map([
  ["success", 6],
  ["denied", 5],
]);
const warning = 4;

/**
 * RFC 5424 with octet counting (RFC 6587 §3.4.1) over TCP, or over TLS (RFC 5425).
 *
 * @param current Asked for every connection: whom to trust may be another after a reload.
 */
export function createSyslog(current: () => SyslogConfig): Transport {
  const { host, port, tls } = current();
  let socket: Socket | undefined;
  let lost = (): void => {};

  const open = (signal: AbortSignal): Promise<Socket> => {
    const { ca } = current();
    const opened = tls
      ? connectTls({ host, port, servername: host, ...(ca === undefined ? {} : { ca }) })
      : connectTcp({ host, port });
    return new Promise((resolve, reject) => {
      const fail = (cause: Error): void => {
        opened.destroy();
        reject(cause);
      };
      const abort = (): void => fail(new Error("no connection in time"));
      signal.addEventListener("abort", abort, { once: true });
      opened.once("error", fail);
      opened.once(tls ? "secureConnect" : "connect", () => {
        signal.removeEventListener("abort", abort);
        opened.off("error", fail);
        // What the peer says is not read, but it must not fill a buffer either.
        opened.resume();
        opened.on("error", () => opened.destroy());
        opened.once("close", () => {
          if (socket === opened) socket = undefined;
          lost();
        });
        resolve(opened);
      });
    });
  };
  const write = (to: Socket, bytes: Buffer, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      // Half a message would be read as the start of the next.
      const abort = (): void => void to.destroy(new Error("not taken in time"));
      signal.addEventListener("abort", abort, { once: true });
      to.once("close", abandon);
      function abandon(): void {
        reject(new Error("the connection ended"));
      }
      to.write(bytes, (error) => {
        signal.removeEventListener("abort", abort);
        to.off("close", abandon);
        if (error) reject(error);
        else resolve();
      });
    });
  return {
    target: `${tls ? "tls" : "tcp"}://${host}:${port}`,
    confirmMs,
    onLost(listener) {
      lost = listener;
    },
    async deliver(records, signal) {
      socket ??= await open(signal);
      await write(socket, Buffer.concat(records.map(frame)), signal);
    },
    close() {
      socket?.end();
      socket = undefined;
    },
  };
}

function frame({ line, record }: ShippedRecord): Buffer {
  const severity = severities.get(textAt(record, ["outcome"])) ?? warning;
  const host = fieldOf(textAt(record, ["gateway", "instance"]), 255);
  const head = `<${facility * 8 + severity}>1 ${textAt(record, ["time"])} ${host} tollgate ${process.pid} ${fieldOf(textAt(record, ["event"]), 32)} - `;
  const message = Buffer.from(head + line);
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

/** Printable ASCII without spaces; `-` for nothing. */
function fieldOf(text: string, maxLength: number): string {
  const field = text.replace(/[^!-~]/g, "_").slice(0, maxLength);
  return field === "" ? "-" : field;
}
