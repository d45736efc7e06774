//! The properties that the test database promises.

use quill_admin_testkit::{
    needs_postgres,
    postgres::{Database, Generation, ROLES},
};
use tokio_postgres::{Config, NoTls, error::SqlState};

/// Connects as the account the database was made for.
async fn connect(db: &Database) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = Config::new()
        .host(&db.host)
        .port(db.port)
        .user(&db.user)
        .password(&db.password)
        .dbname(&db.name)
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

#[tokio::test]
async fn both_generations_have_their_tables_and_the_six_roles() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let roles = db.rows("SELECT name FROM roles ORDER BY id");
        let roles: Vec<&str> = roles.iter().flatten().flatten().map(String::as_str).collect();
        assert_eq!(roles, ROLES);
        let verified = db.rows(
            "SELECT 1 FROM information_schema.columns \
             WHERE table_name = 'users' AND column_name = 'email_verified'",
        );
        assert_eq!(verified.len(), usize::from(generation == Generation::August2026));
    }
}

#[tokio::test]
async fn the_account_writes_rows_and_alters_no_table() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let client = connect(&db).await.unwrap();
    let altered = client.batch_execute("ALTER TABLE users ADD COLUMN x int").await;
    assert_eq!(altered.unwrap_err().code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    client.batch_execute("INSERT INTO roles (name) VALUES ('Porter')").await.unwrap();
    assert_eq!(db.value("SELECT count(*) FROM roles").as_deref(), Some("7"));
}

#[tokio::test]
async fn a_read_only_account_reads() {
    needs_postgres!();
    let db = Database::builder(Generation::March2026).read_only().without_roles().create();
    let client = connect(&db).await.unwrap();
    assert!(client.query("SELECT * FROM roles", &[]).await.unwrap().is_empty());
    let before = db.contents();
    let written = client.execute("INSERT INTO roles (name) VALUES ('Porter')", &[]).await;
    assert_eq!(written.unwrap_err().code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    assert_eq!(db.contents(), before);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_a_difficult_one_accepted() {
    needs_postgres!();
    let mut db = Database::builder(Generation::March2026).password("it's a \"blank\" \\ % and ü").create();
    connect(&db).await.unwrap();
    db.password.push('!');
    let refused = connect(&db).await.err().unwrap();
    assert_eq!(refused.code(), Some(&SqlState::INVALID_PASSWORD));
}

#[tokio::test]
async fn an_account_for_tls_only_is_refused_without_it() {
    needs_postgres!();
    let db = Database::builder(Generation::August2026).tls_only().create();
    let refused = connect(&db).await.err().unwrap();
    assert_eq!(refused.code(), Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION));
    assert_eq!(db.value("SHOW ssl").as_deref(), Some("on"));
}

// There are two threads: the helpers block theirs, and the embedded server serves them after the test's own
// connection has been closed on the other one.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_one_stands_in_where_no_server_is_installed() {
    for generation in Generation::ALL {
        let db = Database::builder(generation).without_roles().create_embedded();
        connect(&db)
            .await
            .unwrap()
            .batch_execute("INSERT INTO roles (name) VALUES ('Porter')")
            .await
            .unwrap();
        assert_eq!(db.value("SELECT name FROM roles").as_deref(), Some("Porter"));
        let verified = db.rows("SELECT 1 FROM pg_attribute WHERE attname = 'email_verified'");
        assert_eq!(verified.len(), usize::from(generation == Generation::August2026));
    }
}
