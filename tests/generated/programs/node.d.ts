declare module "node:fs" {
  export function readFileSync(file: number, encoding: string): string;
}
