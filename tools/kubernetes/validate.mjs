// Holds what kustomize makes of deploy/kubernetes against the schema of Kubernetes' API, as its
// OpenAPI description has it: types, forms, and what has to be there. It needs kubectl, but no
// cluster. That no field is misspelt is seen to by tests/Backprop.Tidy.Tests.
//
//   npm ci && npm run validate
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { parseAllDocuments } from "yaml";

const root = new URL("../../deploy/kubernetes/", import.meta.url).pathname;
let objects = 0;
let mistakes = 0;
for (const folder of readdirSync(root)) {
  const text = execFileSync("kubectl", ["kustomize", root + folder], { encoding: "utf8" });
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS();
    const name = `${folder}: ${object.kind} ${object.metadata.name}`;
    const models = await import(`kubernetes-models/${object.apiVersion}/${object.kind}`);
    objects += 1;
    try {
      new models[object.kind](object).validate();
      console.log(`ok  ${name}`);
    } catch (mistake) {
      mistakes += 1;
      console.error(`bad ${name}: ${mistake.message}`);
    }
  }
}

console.log(`${objects} objects, ${mistakes} of them mistaken`);
process.exitCode = mistakes > 0 || objects === 0 ? 1 : 0;
