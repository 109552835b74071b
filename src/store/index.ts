/** The node's one embedded database, namespaced and crash-safe. */
export { createStore } from './database.ts';
export type { Store, Table, Write } from './types.ts';
