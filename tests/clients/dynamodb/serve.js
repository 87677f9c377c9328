// node serve.js PORT: DynamoDB on loopback, in memory.
const port = Number(process.argv[2]);
require("dynalite")({ createTableMs: 0, updateTableMs: 0, deleteTableMs: 0 }).listen(port, "127.0.0.1");
// dynalite throws when a client goes in the middle of a request, as one does that is killed.
process.on("uncaughtException", (error) => {
  if (error.code !== "ECONNRESET") {
    console.error(error);
    process.exit(1);
  }
});
