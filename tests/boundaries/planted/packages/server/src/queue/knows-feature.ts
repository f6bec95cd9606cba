// breaks: seam-imports-no-feature
import '../devices/remove.ts'
