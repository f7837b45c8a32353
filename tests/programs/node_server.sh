# needs: node
exec node -e '
const http = require("http"), { fork, exec } = require("child_process"), fs = require("fs"), zlib = require("zlib");
const server = http.createServer((request, response) => request.url == "/slow" ? setTimeout(() => response.end("slow"), 30) : response.end(zlib.gzipSync("body")));
server.listen("socket", async () => {
    const get = path => new Promise((done, fail) => http.get({ socketPath: "socket", path }, r => { const parts = []; r.on("data", d => parts.push(d)); r.on("end", () => done(Buffer.concat(parts))); }).on("error", fail));
    const answers = await Promise.all([..."abcdefgh"].map(get.bind(null, "/")));
    console.log(answers.map(a => zlib.gunzipSync(a).toString()).join()); console.log((await get("/slow")).toString());
    fs.writeFileSync("child.js", "process.on(\"message\", n => { process.send(n * 2); process.disconnect(); })");
    const child = fork("./child.js"); child.on("message", n => console.log("doubled", n)); child.send(21);
    await new Promise(done => child.on("exit", done));
    exec("exit 3", error => { console.log(error.code); process.once("SIGTERM", () => { console.log("term"); server.close(); process.exitCode = 7; }); process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 100); });
});'
