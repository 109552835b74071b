/** Who offers what. */
export { createDirectory, soundCatalogs, soundItems } from './peer-offers.ts';
export type { CatalogLimits } from './peer-offers.ts';
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
