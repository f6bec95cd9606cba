// breaks: offered-as-types-only
import { presence } from '../gateway/presence.ts'
export const kept = presence
