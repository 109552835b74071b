/** Who offers what. */
export { createCatalogDocuments } from './documents/documents.ts';
export type { CatalogDocuments, CatalogDocumentsComponents } from './documents/documents.ts';
export { createDirectory, soundCatalogs, soundListing } from './peer-offers.ts';
export { readCatalogs } from './read-catalogs.ts';
export { OFFERS_MAX, OFFER_KIND, createProviders } from './providers.ts';
export type { Provider, Providers, ProvidersComponents } from './providers.ts';
export { remarkedName, soundItems } from './sound-items.ts';
export type { CatalogLimits, ItemRemark } from './sound-items.ts';
export type {
  Directory,
  DirectoryEvents,
  ItemKind,
  KeptListing,
  ListedAgent,
  ListedPrompt,
  ListedResource,
  ListedTemplate,
  ListedTool,
  Listing,
  ServerCatalog,
  ServerFacts,
  ServerItems,
} from './types.ts';
export { createLacking } from './passed-over.ts';
export type { Lacking, Standing } from './passed-over.ts';
