import * as generated from '#src/catalog/generated/descriptors.js';

/** The generated messages with the types that protobufjs wrote beside them. */
export const { Descriptor, TableDescriptor } =
  generated as unknown as typeof import('../../src/catalog/generated/descriptors.js');
