// node serve.js PORT: DynamoDB on loopback, in memory.
const port = Number(process.argv[2]);
require("dynalite")({ createTableMs: 0, updateTableMs: 0, deleteTableMs: 0 }).listen(port, "127.0.0.1");
