import { type EmbeddedStore, openEmbeddedStore } from './embedded.ts'
import { storeContract } from './store.contract.ts'
import type { Store } from './store.ts'

const embedded = (store: Store) => store as EmbeddedStore

storeContract({
  open: (directory, clock) => openEmbeddedStore({ directory, clock, maintenance: 'asked' }),
  openBackup: (directory) => openEmbeddedStore({ directory, maintenance: 'asked' }),
  upheavals: {
    nothing: async () => {},
    rotation: (store) => embedded(store).rotate(),
    merging: async (store) => {
      await embedded(store).rotate()
      await embedded(store).compact()
    },
  },
})
