//! The messenger's store on SQLCipher
