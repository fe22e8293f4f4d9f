// Calls every operation with the client that hey-api has made; the calls come on stdin.
import { readFileSync } from "node:fs";
import { client } from "./made/client.gen";
import * as sdk from "./made/sdk.gen";
import type { SetLeverage } from "./made/types.gen";

type Call = { name: string; role: string; model: string | null; inPath: string[]; request: Record<string, unknown> };
const asked: { url: string; tokens: Record<string, string>; calls: Call[] } = JSON.parse(readFileSync(0, "utf8"));

// What is optional on the wire is optional in the type: this must compile.
export const shortest: SetLeverage = { exchange_account_id: "a", symbol: "BTC/USDT:USDT", leverage: 10 };

const camel = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const answers: Record<string, [number, boolean]> = {};
for (const call of asked.calls) {
  client.setConfig({ baseUrl: asked.url, auth: asked.tokens[call.role] });
  const path = Object.fromEntries(call.inPath.map((name) => [name, call.request[name]]));
  const rest = Object.fromEntries(Object.entries(call.request).filter(([name]) => !(name in path)));
  const given = call.model ? { body: rest } : { path, query: rest };
  const functions = sdk as unknown as Record<string, (options: unknown) => Promise<{ response: Response; data?: { isError: boolean } }>>;
  const { response, data } = await functions[camel(call.name)](given);
  answers[call.name] = [response.status, data?.isError ?? true];
}
console.log(JSON.stringify(answers));
