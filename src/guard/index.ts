/** The guard: the one place that says yes or no. */
export { createGuard } from './guard.ts';
export type { GuardComponents } from './guard.ts';
export { FULL_SCOPE, isScope } from './scopes.ts';
export type { Decision, Guard, Principal } from './types.ts';
