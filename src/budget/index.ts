/** Budgets that can't be overspent, whoever is cut off: bounded counters with escrow over signed rows. */
export { parseAmount } from './amounts.ts';
export { createBooks } from './books/books.ts';
export type { Books, HeldAmount, Hold } from './books/book-types.ts';
export { createBudgets } from './budgets.ts';
export type { Budgets } from './budgets-types.ts';
export { createFunds } from './funds.ts';
export type { Fund, Funds } from './funds.ts';
export { signRows, splitRowId } from './rows/row-format.ts';
export { pricesOf, readPrices } from './prices.ts';
export { createSpendings } from './spendings.ts';
export type { CallSpending, PaidCall, Spendings } from './spendings.ts';
export { OWNERS_MAX } from './types.ts';
export type { BudgetView, Cost, HistoryEntry, Unit } from './types.ts';
