using System.Globalization;
using System.Net;
using System.Text;
using Backprop.Console.Api;
using Backprop.Console.Api.Access;
using Backprop.Console.Tests.Commands;
using Backprop.Distributed.Access;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Backprop.Console.Tests.Access;

/// <summary>Clients that mean harm, or might as well: a right status, and the API goes on.
/// </summary>
public sealed class HostileClientTests(GuardedCluster cluster) : IClassFixture<GuardedCluster>
{
    private const long Gigabyte = 1L << 30;

    // The time a body may take to be given up includes what is in buffers on the way.
    private const long MostSent = 256L << 20;
    private const int UsualCases = 2_000;
    private const int Seed = 20261129;

    private static readonly TimeSpan s_untilAnswered = TimeSpan.FromSeconds(30);

    // Why a cluster would never train it is in it, so that no case begins to.
    private const string Specification = """
        name = fuzzed, seed = 3, ensemble { seeds = 2 }
        data { train { generated { moons { samples = 200, noise = 0.1, seed = 1 } } } }
        model = [ { dense { units = 8, activation = tanh } }, { dense { units = 2 } } ]
        loss = softmax-cross-entropy, optimizer { adam { learning-rate = ${rate} } }
        rate = 0.01, batch-size = 10, micro-batches = 2, epochs = 8
        """;

    /// <summary>How many cases of each kind are tried: more where somebody asks for them.</summary>
    private static int Cases => int.TryParse(
        Environment.GetEnvironmentVariable("BACKPROP_FUZZ_CASES"), NumberStyles.None,
        CultureInfo.InvariantCulture, out int asked) ? asked : UsualCases;

    [Theory]
    [InlineData("", HttpStatusCode.Unauthorized)]
    [InlineData("admin", HttpStatusCode.RequestEntityTooLarge)]
    public async Task A_body_of_a_gigabyte_is_refused_before_it_is_sent(
        string role, HttpStatusCode expected)
    {
        (string answer, long sent) = await RawRequest.FloodAsync(
            cluster.Address,
            await HeadAsync(role) + $"Content-Length: {Gigabyte}\r\n\r\n", new byte[1 << 16],
            Gigabyte);
        Assert.Equal(expected, RawRequest.StatusOf(answer));
        Assert.InRange(sent, 0, MostSent);
        await IsAliveAsync();
    }

    [Theory]
    [InlineData("", HttpStatusCode.Unauthorized)]
    [InlineData("admin", HttpStatusCode.RequestEntityTooLarge)]
    public async Task A_body_that_does_not_say_how_long_it_is_is_cut_off(
        string role, HttpStatusCode expected)
    {
        byte[] chunk = [.. "10000\r\n"u8, .. new byte[1 << 16], .. "\r\n"u8];
        (string answer, long sent) = await RawRequest.FloodAsync(
            cluster.Address, await HeadAsync(role) + "Transfer-Encoding: chunked\r\n\r\n", chunk,
            Gigabyte);
        Assert.Equal(expected, RawRequest.StatusOf(answer));
        Assert.InRange(sent, 0, MostSent);
        await IsAliveAsync();
    }

    [Fact]
    public async Task A_client_that_does_not_come_to_the_point_is_cut_off()
    {
        string answer = await RawRequest.SendAsync(
            cluster.Address, "GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
        Assert.Equal(HttpStatusCode.RequestTimeout, RawRequest.StatusOf(answer));
        await IsAliveAsync();
    }

    [Fact]
    public async Task A_body_that_trickles_is_cut_off()
    {
        string answer = await RawRequest.SendAsync(
            cluster.Address, await HeadAsync("operator") + "Content-Length: 1000\r\n\r\nname");
        Assert.Equal(HttpStatusCode.RequestTimeout, RawRequest.StatusOf(answer));
        await IsAliveAsync();
    }

    [Fact]
    public void Users_nodes_have_limits_too()
    {
        KestrelServerLimits limits = ApiServer.CreateBuilder("127.0.0.1", 0).Build().Services
            .GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits;
        Assert.InRange(limits.RequestHeadersTimeout, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.NotNull(limits.MinRequestBodyDataRate);
        Assert.NotNull(limits.MinResponseDataRate);
        Assert.InRange(limits.MaxRequestBodySize ?? long.MaxValue, 1, 1 << 20);
        Assert.InRange(limits.MaxConcurrentConnections ?? long.MaxValue, 1, 10_000);
    }

    [Fact]
    public async Task A_login_that_is_not_JSON_is_refused_whatever_it_is()
    {
        using HttpClient http = cluster.Client();
        string token = await cluster.TokenAsync(AccessRole.Viewer);
        byte[] original = Encoding.UTF8.GetBytes($$"""{"token":"{{token}}"}""");
        var random = new Random(Seed);
        for (int i = 0; i < Cases; i++)
        {
            byte[] body = Mutations.Of(original, random);
            using HttpResponseMessage answer = await http.PostAsync(
                "api/v1/session", new ByteArrayContent(body));
            Assert.True(
                answer.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Unauthorized
                    or HttpStatusCode.TooManyRequests or HttpStatusCode.RequestEntityTooLarge
                    or HttpStatusCode.NoContent,
                $"case {i}: {answer.StatusCode} of {Convert.ToHexString(body)}");
            Assert.DoesNotContain(token, await answer.Content.ReadAsStringAsync());
        }

        await IsAliveAsync();
    }

    [Fact]
    public async Task A_specification_that_is_broken_is_refused_whatever_it_is()
    {
        using HttpClient http = cluster.Client(await cluster.TokenAsync(AccessRole.Operator));
        var random = new Random(Seed);
        for (int i = 0; i < Cases; i++)
        {
            byte[] body = Mutations.Of(Encoding.UTF8.GetBytes(Specification), random);
            using HttpResponseMessage answer = await http.PostAsync(
                "api/v1/runs", new ByteArrayContent(body));
            Assert.True(
                answer.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Created
                    or HttpStatusCode.RequestEntityTooLarge,
                $"case {i}: {answer.StatusCode} of {Encoding.Latin1.GetString(body)}");
        }

        await IsAliveAsync();
    }

    [Theory]
    [InlineData("GARBAGE\r\n\r\n")]
    [InlineData("GET / HTTP/9.9\r\nHost: localhost\r\n\r\n")]
    [InlineData("GET /api/v1/runs HTTP/1.1\r\n\r\n")]
    [InlineData("GET /api/v1/runs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")]
    [InlineData("POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
        + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n")]
    public async Task What_is_hardly_HTTP_is_refused(string request)
    {
        string answer = await RawRequest.SendAsync(cluster.Address, request);
        Assert.InRange((int)RawRequest.StatusOf(answer), 400, 505);
        await IsAliveAsync();
    }

    private async Task<string> HeadAsync(string role)
    {
        string head = "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n";
        return role.Length == 0 ? head
            : head + "Authorization: Bearer " + await cluster.TokenAsync(
                Enum.Parse<AccessRole>(role, ignoreCase: true)) + "\r\n";
    }

    private async Task IsAliveAsync()
    {
        using HttpClient http = cluster.Client(await cluster.TokenAsync(AccessRole.Viewer));
        using var limit = new CancellationTokenSource(s_untilAnswered);
        while (true)
        {
            using HttpResponseMessage answer = await http.GetAsync("api/v1/cluster", limit.Token);
            if (answer.StatusCode != HttpStatusCode.TooManyRequests)
            {
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                return;
            }

            // What other tests have asked from this address counts too.
            await Task.Delay(TimeSpan.FromMilliseconds(100), limit.Token);
        }
    }
}
