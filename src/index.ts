export { ConfigError } from "./base/errors.ts";
export type { Issue, Position } from "./base/issue.ts";
export type { Log, Ports } from "./base/ports.ts";
export { createGateway, type Gateway, type GatewayOptions, type ReloadReport } from "./gateway.ts";
