// Prints how many models Modelina makes of an AsyncAPI document, and those for which it found no name.
import { JavaGenerator, TypeScriptGenerator } from "@asyncapi/modelina";
import { readFileSync } from "node:fs";

const document = readFileSync(process.argv[2], "utf8");
const made = {};
for (const Generator of [TypeScriptGenerator, JavaGenerator]) {
  const names = (await new Generator().generate(document)).map((model) => model.modelName);
  made[Generator.name] = { count: names.length, nameless: names.filter((name) => name.includes("Anonymous")) };
}
console.log(JSON.stringify(made));
