// breaks: runtime-imports-no-room
import type { Store } from '../store/store.ts'
export type Kept = Store
