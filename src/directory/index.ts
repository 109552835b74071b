/** Who offers what. */
export { createDirectory, soundTools } from './catalog.ts';
export type { CatalogLimits } from './catalog.ts';
export type { Directory, DirectoryEvents, ListedTool } from './types.ts';
