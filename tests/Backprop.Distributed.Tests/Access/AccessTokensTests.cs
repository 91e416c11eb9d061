using Backprop.Distributed.Access;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Tests.Persistence;

namespace Backprop.Distributed.Tests.Access;

/// <summary>Tokens and logins in the state database, whichever it is.</summary>
public sealed class AccessTokensTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly DateTimeOffset s_now =
        new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);

    private readonly StateFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task SQLite_keeps_them() => await KeepsThem(_folder.Options);

    [SkippableFact]
    public async Task PostgreSQL_keeps_them()
    {
        using var server = new PostgreSqlServer();
        Skip.If(server.WhyNot is not null, server.WhyNot);
        await KeepsThem(new PersistenceOptions.PostgreSql(server.Connection, "access"));
    }

    [Fact]
    public async Task Its_file_is_its_owners_and_holds_no_secret()
    {
        (string id, string text) = TokenText.Generate();
        using var tokens = new AccessTokens(_folder.Options, s_patience);
        await tokens.AddAsync(Token(id), TokenText.HashOf(text), s_now, default);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite,
                File.GetUnixFileMode(_folder.Options.AccessFile));
        }

        string content = File.ReadAllText(_folder.Options.AccessFile);
        Assert.Contains(id, content);
        Assert.DoesNotContain(text[16..], content);
    }

    [Fact]
    public async Task A_database_that_cannot_be_used_is_told_as_such()
    {
        File.WriteAllText(_folder.Options.AccessFile, "this is no database of anybody's");
        using var tokens = new AccessTokens(_folder.Options, s_patience);
        var failure = await Assert.ThrowsAsync<StateDatabaseException>(
            () => tokens.ListAsync(default));
        Assert.Contains("access.db", failure.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("bp_")]
    [InlineData("bp_0123456789ab_")]
    [InlineData("BP_0123456789ab_" + Hex)]
    [InlineData("bp_0123456789AB_" + Hex)]
    [InlineData("bp_0123456789ab-" + Hex)]
    [InlineData("bp_0123456789ab_" + Hex + "0")]
    [InlineData("bp_'; DROP TABLE_" + Hex)]
    public void What_does_not_look_like_one_is_none(string text) =>
        Assert.False(TokenText.TryParse(text, out _));

    [Fact]
    public void Every_token_is_another()
    {
        string[] texts = [.. Enumerable.Range(0, 100).Select(_ => TokenText.Generate().Text)];
        Assert.Equal(100, texts.Distinct().Count());
        Assert.All(texts, text => Assert.True(TokenText.TryParse(text, out _)));
        Assert.True(TokenText.AreEqual(TokenText.HashOf(texts[0]), TokenText.HashOf(texts[0])));
        Assert.False(TokenText.AreEqual(TokenText.HashOf(texts[0]), TokenText.HashOf(texts[1])));
    }

    private const string Hex =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    private static async Task KeepsThem(PersistenceOptions options)
    {
        using var one = new AccessTokens(options, s_patience);
        using var other = new AccessTokens(options, s_patience);
        Assert.All(
            await Task.WhenAll(one.ListAsync(default), other.ListAsync(default)),
            none => Assert.Empty(none));

        (string id, string text) = TokenText.Generate();
        AccessToken token = Token(id) with { Expires = s_now.AddDays(1) };
        await one.AddAsync(token, TokenText.HashOf(text), s_now, default);
        Assert.Equal(
            new StoredToken(token, TokenText.HashOf(text)), await other.FindAsync(id, default));
        Assert.Null(await other.FindAsync("' OR ''='", default));
        Assert.Null(token.WhyNot(s_now));
        Assert.Contains("expired", token.WhyNot(s_now.AddDays(1)));

        string secret = TokenText.HashOf(TokenText.GenerateSecret());
        var session = new AccessSession(secret, id, s_now, s_now.AddHours(1));
        await one.AddAsync(session, default);
        Assert.Equal(
            new StoredSession(session, token), await other.FindSessionAsync(secret, default));

        Assert.True(await other.RevokeAsync(id, s_now, default));
        Assert.True(await other.RevokeAsync(id, s_now.AddHours(1), default));
        Assert.False(await other.RevokeAsync("none", s_now, default));
        AccessToken revoked = Assert.Single(await one.ListAsync(default));
        Assert.Equal(token with { Revoked = s_now }, revoked);
        Assert.Contains("revoked", revoked.WhyNot(s_now));
        Assert.Equal(revoked, (await one.FindSessionAsync(secret, default))!.Token);

        await one.EndSessionAsync(secret, default);
        Assert.Null(await other.FindSessionAsync(secret, default));
        await OldOnesMakeRoom(one, id);
        await one.AddAsync(
            Token("later"), TokenText.HashOf("x"), s_now.AddDays(100), default);
        Assert.Equal("later", Assert.Single(await one.ListAsync(default)).Id);
    }

    private static async Task OldOnesMakeRoom(AccessTokens tokens, string id)
    {
        for (int i = 0; i <= AccessTokens.MostSessions; i++)
        {
            await tokens.AddAsync(
                new AccessSession(
                    $"session-{i}", id, s_now.AddSeconds(i), s_now.AddHours(1)),
                default);
        }

        Assert.Null(await tokens.FindSessionAsync("session-0", default));
        Assert.NotNull(await tokens.FindSessionAsync("session-1", default));
        Assert.NotNull(await tokens.FindSessionAsync(
            $"session-{AccessTokens.MostSessions}", default));
    }

    private static AccessToken Token(string id) =>
        new(id, "somebody's", AccessRole.Operator, s_now, null, null);
}
