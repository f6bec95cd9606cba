// breaks: only-main-knows-the-parts
import '../main.ts'
