#include "textflag.h"

// The least limit under which Go's runtime starts, and aex has room to work.
#define LEAST $0x60000000

DATA tooSmall<>+0x00(SB)/8, $"aex: the"
DATA tooSmall<>+0x08(SB)/8, $" address"
DATA tooSmall<>+0x10(SB)/8, $" space i"
DATA tooSmall<>+0x18(SB)/8, $"s limite"
DATA tooSmall<>+0x20(SB)/8, $"d to les"
DATA tooSmall<>+0x28(SB)/8, $"s than t"
DATA tooSmall<>+0x30(SB)/8, $"he 1.5 G"
DATA tooSmall<>+0x38(SB)/8, $"iB that "
DATA tooSmall<>+0x40(SB)/8, $"aex need"
DATA tooSmall<>+0x48(SB)/8, $"s; raise"
DATA tooSmall<>+0x50(SB)/8, $" it: uli"
DATA tooSmall<>+0x58(SB)/8, $"mit -v u"
DATA tooSmall<>+0x60(SB)/8, $"nlimited"
DATA tooSmall<>+0x68(SB)/1, $"\n"
GLOBL tooSmall<>(SB), RODATA|NOPTR, $0x69

// prlimit64(0, RLIMIT_AS, nil, at), and on to Go where that is enough or cannot
// be told. The stack is as the kernel left it when Go begins.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	SUB  $32, RSP
	MOVD $0, R0
	MOVD $9, R1
	MOVD $0, R2
	ADD  $8, RSP, R3
	MOVD $261, R8
	SVC
	MOVD 8(RSP), R5
	ADD  $32, RSP
	CBNZ R0, enough
	MOVD LEAST, R4
	CMP  R4, R5
	BHS  enough

	// write(2), exit_group(125)
	MOVD $2, R0
	MOVD $tooSmall<>(SB), R1
	MOVD $0x69, R2
	MOVD $64, R8
	SVC
	MOVD $125, R0
	MOVD $94, R8
	SVC

enough:
	JMP _rt0_arm64_linux(SB)
