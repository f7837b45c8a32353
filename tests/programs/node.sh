# needs: node
exec node -e '
const { execSync, spawn } = require("child_process");
const { Worker } = require("worker_threads");
const fs = require("fs");
console.log(execSync("echo from a shell").toString());
fs.writeFileSync("file", "x".repeat(100000)); console.log(fs.readFileSync("file").length);
let ended = 0;
for (let i = 0; i < 4; i++)
    new Worker("require(\"fs\").readFileSync(\"/etc/passwd\")", { eval: true }).on("exit", code => {
        if (++ended == 4) { console.log("workers", code); setTimeout(() => process.exit(9), 20); }
    });
process.on("SIGUSR2", () => console.log("usr2")); process.kill(process.pid, "SIGUSR2");
const hash = require("crypto").createHash("sha256").update("x").digest("hex"); console.log(hash);
'
