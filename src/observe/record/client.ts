import { fit, member } from "./quote.ts";

/** The program at the other end. One object per connection and name, so that its text is made once. */
export interface Client {
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
  /** As it calls itself. */
  readonly name: string | undefined;
  readonly version: string | undefined;
}

export function describeClient({ ip, userAgent, name, version }: Client): string {
  return fit(400, (max) => {
    const members = `${member("ip", ip, max)}${member("ua", userAgent, max)}${member("name", name, max)}${member("version", version, max)}`;
    return members === "" ? "" : `,"client":{${members.slice(1)}}`;
  });
}
