/** Who offers what. */
export { createDirectory, soundCatalogs, soundItems } from './catalog.ts';
export type { CatalogLimits } from './catalog.ts';
export type {
  Directory,
  DirectoryEvents,
  ListedPrompt,
  ListedResource,
  ListedTemplate,
  ListedTool,
  ServerCatalog,
  ServerFacts,
  ServerItems,
} from './types.ts';
