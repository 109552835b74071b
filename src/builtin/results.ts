/** What the tools of the built-in server `starling` return; the CLI prints these. */
export type * from './results/audit.ts';
export type * from './results/boards.ts';
export type * from './results/bugreport.ts';
export type * from './results/budgets.ts';
export type * from './results/governance.ts';
export type * from './results/grants.ts';
export type * from './results/keys.ts';
export type * from './results/members.ts';
export type * from './results/peers.ts';
export type * from './results/servers.ts';
