/** The built-in rule agent that looks after servers: a program that calls tools of nodes by the rights of an agent. */
export { createHealer } from './healer.ts';
export type { Healer } from './healer.ts';
export { runHealer } from './program.ts';
