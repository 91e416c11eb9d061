using System.Net;
using Backprop.Console.Api.Access;
using Backprop.Distributed.Access;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Persistence;
using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Tests.Access;

/// <summary>Decisions about who may come in.</summary>
public sealed class AccessRulesTests
{
    private static readonly byte[] s_salt = [1, 2, 3];

    [Theory]
    [InlineData("127.0.0.1", "auto", false)]
    [InlineData("::1", "auto", false)]
    [InlineData("127.0.0.1", "required", true)]
    [InlineData("127.0.0.1", "off", false)]
    [InlineData("0.0.0.0", "auto", true)]
    [InlineData("::", "auto", true)]
    [InlineData("192.168.1.7", "auto", true)]
    [InlineData("192.168.1.7", "required", true)]
    public void A_token_is_needed_where_others_reach_the_API(
        string address, string tokens, bool isNeeded) =>
        Assert.Equal(isNeeded, PolicyOf(address, tokens).NeedsToken);

    [Fact]
    public void Everybody_comes_in_only_where_somebody_has_said_so()
    {
        var refusal = Assert.Throws<MistakeException>(() => PolicyOf("0.0.0.0", "off"));
        Assert.Contains("backprop.api.insecure = true", refusal.Message);
        AccessPolicy open = PolicyOf("0.0.0.0", "off", isInsecure: true);
        Assert.False(open.NeedsToken);
        Assert.StartsWith("WARNING", open.Description);
    }

    [Theory]
    [InlineData("GET", AccessRole.Viewer)]
    [InlineData("HEAD", AccessRole.Viewer)]
    [InlineData("POST", AccessRole.Operator)]
    [InlineData("DELETE", AccessRole.Operator)]
    [InlineData("PUT", AccessRole.Operator)]
    [InlineData("BREW", AccessRole.Operator)]
    public void A_method_takes_a_role(string method, AccessRole role) =>
        Assert.Equal(role, AccessRules.RoleFor(
            Reading.Is(new DefaultHttpContext { Request = { Method = method } })));

    [Fact]
    public void A_refusal_names_the_role_that_would_do()
    {
        Assert.Null(AccessRules.RoleRefusal(AccessRole.Admin, AccessRole.Operator));
        Assert.Null(AccessRules.RoleRefusal(AccessRole.Operator, AccessRole.Operator));
        AccessRefusal refusal =
            AccessRules.RoleRefusal(AccessRole.Viewer, AccessRole.Operator)!;
        Assert.Equal(StatusCodes.Status403Forbidden, refusal.Status);
        Assert.Contains("--role operator", refusal.Detail);
    }

    [Theory]
    [InlineData("localhost", true)]
    [InlineData("LOCALHOST", true)]
    [InlineData("127.0.0.1", true)]
    [InlineData("127.9.9.9", true)]
    [InlineData("[::1]", true)]
    [InlineData("console.example.org", true)]
    [InlineData("localhost.example.org", false)]
    [InlineData("127.0.0.1.example.org", false)]
    [InlineData("192.168.1.7", false)]
    [InlineData("", false)]
    public void A_local_API_has_few_names(string host, bool isItsOwn) => Assert.Equal(
        isItsOwn,
        AccessRules.HostRefusal(
            host, new AccessPolicy(false, true, ["127.0.0.1", "console.example.org"])) is null);

    [Fact]
    public void An_API_that_others_reach_has_any_name() => Assert.Null(
        AccessRules.HostRefusal("anything.example", new AccessPolicy(true, false, [])));

    [Fact]
    public void Who_has_many_addresses_has_one_counter()
    {
        int first = CounterOf("2001:db8:1:2::1");
        Assert.Equal(first, CounterOf("2001:db8:1:2:ffff::7"));
        Assert.Equal(CounterOf("10.1.2.3"), CounterOf("::ffff:10.1.2.3"));
        int[] counters = [.. Enumerable.Range(0, 200).Select(i => CounterOf($"10.0.0.{i}"))];
        Assert.All(counters, counter => Assert.InRange(counter, 0, 4095));
        Assert.InRange(counters.Distinct().Count(), 180, 200);
    }

    [Fact]
    public void What_the_page_repeats_is_its_logins_and_tells_nothing_of_it()
    {
        string secret = TokenText.GenerateSecret();
        Assert.Equal(AccessRules.CsrfOf(secret), AccessRules.CsrfOf(secret));
        Assert.NotEqual(AccessRules.CsrfOf(secret), AccessRules.CsrfOf(secret.ToUpperInvariant()));
        Assert.DoesNotContain(secret, AccessRules.CsrfOf(secret));
        Assert.DoesNotContain(secret, Credential.OfSession(secret).ToString());
    }

    private static int CounterOf(string address) =>
        AccessRules.CounterOf(IPAddress.Parse(address), s_salt, 4096);

    private static AccessPolicy PolicyOf(
        string address, string tokens, bool isInsecure = false) => AccessPolicy.Of(
        new AccessOptions
        {
            Tokens = Enum.Parse<TokenUse>(tokens, ignoreCase: true),
            IsInsecure = isInsecure,
            Database = new PersistenceOptions.Sqlite("anywhere"),
        },
        address, [IPAddress.Parse(address)]);
}
