#include "textflag.h"

// The least limits under which Go's runtime starts, and aex has room to work.
#define LEAST_SPACE $0x60000000
#define LEAST_FILES $64

// prlimit64(0, RLIMIT_AS, nil, at) and the same of RLIMIT_NOFILE, and on to Go
// where both are enough or cannot be told. Of open files the hard limit counts:
// Go raises the other to it. The stack is as the kernel left it when Go begins.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	SUB  $32, RSP
	MOVD $0, R0
	MOVD $9, R1
	MOVD $0, R2
	ADD  $8, RSP, R3
	MOVD $261, R8
	SVC
	CBNZ R0, files
	MOVD 8(RSP), R5
	MOVD LEAST_SPACE, R4
	MOVD $·smallSpace(SB), R1
	MOVD $105, R2
	CMP  R4, R5
	BLO  small

files:
	MOVD $0, R0
	MOVD $7, R1
	MOVD $0, R2
	ADD  $8, RSP, R3
	MOVD $261, R8
	SVC
	CBNZ R0, enough
	MOVD 16(RSP), R5
	MOVD LEAST_FILES, R4
	MOVD $·fewFiles(SB), R1
	MOVD $90, R2
	CMP  R4, R5
	BHS  enough

small:
	// write(2), exit_group(125)
	MOVD $2, R0
	MOVD $64, R8
	SVC
	MOVD $125, R0
	MOVD $94, R8
	SVC

enough:
	ADD  $32, RSP
	JMP _rt0_arm64_linux(SB)
