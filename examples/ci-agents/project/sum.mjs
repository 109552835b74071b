/** The sum of numbers. */
export const sum = (...numbers) => numbers.reduce((all, one) => all + one, 0);
