// A program that does nothing, so that whatever it keeps is not its own.
setInterval(() => {}, 1_000);
process.stdout.write("ready\n");
