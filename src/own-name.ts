/** What this node is called: what was given at any start stays, until another name is given. */
import type { Config } from './config/index.ts';
import type { Table } from './store/index.ts';

const KEY = 'name';

/** `config` with the name that was given now, or was before; that of the host where there never was one. */
export async function settleName(table: Table, config: Config): Promise<Config> {
  const kept = await table.get(KEY);
  const name = kept === undefined ? undefined : Buffer.from(kept).toString('utf8');
  if (!config.isNameGiven) return name === undefined ? config : { ...config, name };
  if (config.name !== name) await table.put(KEY, Buffer.from(config.name, 'utf8'));
  return config;
}
