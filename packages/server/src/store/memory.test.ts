import { openMemoryStore } from './memory.ts'
import { storeContract } from './store.contract.ts'

storeContract({
  open: (_, clock) => openMemoryStore({ clock }),
  openBackup: (backup) => openMemoryStore({ backup }),
  upheavals: { nothing: async () => {} },
})
