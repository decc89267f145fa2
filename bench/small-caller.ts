import { createCaller } from "./caller.ts";
import { legacyCall } from "./target.ts";

/**
 * Who waits beside large answers, in a process of its own: taking those answers would keep it from
 * seeing its own. Calls until it is told to stop, and then says how long the longest call took, in ms.
 */
const port = Number(process.argv[2]);
const running = { done: false };
process.once("message", () => (running.done = true));
const plan = { port, request: legacyCall({ port }), atLeast: 1_000, refused: false };
const caller = createCaller(plan);
// The first one opens the connection.
await caller.call(0);
process.send?.("calling");
let longest = 0;
for (let i = 1; !running.done; i++) longest = Math.max(longest, (await caller.call(i)).ms);
caller.close();
process.send?.(longest);
process.disconnect();
