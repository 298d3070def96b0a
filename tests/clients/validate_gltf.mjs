// The Khronos validator over files named on the command line: one JSON line each, {"file", "errors", "messages"}.
import fs from 'node:fs';
import path from 'node:path';
import validator from 'gltf-validator';

for (const file of process.argv.slice(2)) {
  const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)), {
    uri: path.basename(file),
    externalResourceFunction: async (uri) => new Uint8Array(fs.readFileSync(path.join(path.dirname(file), decodeURIComponent(uri)))),
  });
  const messages = report.issues.messages.filter((message) => message.severity === 0);
  console.log(JSON.stringify({ file, errors: report.issues.numErrors, messages: messages.slice(0, 5) }));
}
