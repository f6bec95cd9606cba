// breaks: seam-imports-no-feature
import '../gateway/listen.ts'
