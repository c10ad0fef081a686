import { loadConfig } from '../config/load.ts';
import { jsonSchema } from '../config/schema.ts';
import { exitStatus, type Host } from './host.ts';

/** `nodetender config check FILE`: refused with a line for each offending field, or silent success in one line. */
export async function configCheckCommand(file: string, { terminal }: Host): Promise<number> {
  await loadConfig(file);
  terminal.out(`${file} is valid\n`);
  return exitStatus.done;
}

/** `nodetender config schema`: the JSON Schema of the file, for editors and Helm. */
export async function configSchemaCommand({ terminal }: Host): Promise<number> {
  terminal.out(`${JSON.stringify(jsonSchema(), undefined, 2)}\n`);
  return await Promise.resolve(exitStatus.done);
}
