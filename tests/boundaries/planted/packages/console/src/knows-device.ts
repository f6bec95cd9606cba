// breaks: console-imports-only-the-client
import '../../sdk/src/device/index.ts'
