using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Backprop.Console.Api.Access;
using Backprop.Console.Tests.Commands;
using Backprop.Distributed.Access;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Persistence;
using Microsoft.AspNetCore.Hosting;

namespace Backprop.Console.Tests.Access;

/// <summary>A cluster whose API wants tokens, and impatient of slow clients.</summary>
public sealed class GuardedCluster : IAsyncLifetime
{
    private const int FirstAddress = 2;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    private readonly ScratchDirectory _state = new();
    private readonly AccessTokens _tokens;
    private int _addresses;
    private ServedCluster _cluster = null!;

    public GuardedCluster() => _tokens = new AccessTokens(Database, TimeSpan.FromSeconds(30));

    internal AccessTokens Tokens => _tokens;

    internal Uri Address => _cluster.Address;

    internal IServiceProvider Services => _cluster.Services;

    private PersistenceOptions Database => new PersistenceOptions.Sqlite(_state.Path);

    public async Task InitializeAsync() => _cluster = await StartNodeAsync();

    public async Task DisposeAsync()
    {
        await _cluster.DisposeAsync();
        _tokens.Dispose();
        _state.Dispose();
    }

    /// <summary>Another node that serves the API, with the same database.</summary>
    internal async Task<ServedCluster> StartNodeAsync()
    {
        ServedCluster node = await ServedCluster.StartAsync(
            new AccessOptions { Tokens = TokenUse.Required, Database = Database },
            builder => builder.WebHost.ConfigureKestrel(options =>
            {
                options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(1);
                options.Limits.MinRequestBodyDataRate = new(240, TimeSpan.FromSeconds(2));
            }));

        // The coordinator of a cluster that has just started may not be there yet.
        using HttpClient http = Client(await TokenAsync(AccessRole.Viewer), node.Address);
        using var limit = new CancellationTokenSource(s_patience);
        while (!(await http.GetAsync("api/v1/cluster", limit.Token)).IsSuccessStatusCode)
        {
            await Task.Delay(50, limit.Token);
        }

        return node;
    }

    /// <summary>Makes a token.</summary>
    internal async Task<string> TokenAsync(AccessRole role, DateTimeOffset? expires = null)
    {
        (string id, string text) = TokenText.Generate();
        await _tokens.AddAsync(
            new AccessToken(id, "test", role, DateTimeOffset.UtcNow, expires, null),
            TokenText.HashOf(text), DateTimeOffset.UtcNow, CancellationToken.None);
        return text;
    }

    /// <summary>A client with an address of its own, so that nobody pays for its failures.
    /// </summary>
    internal HttpClient Client(string? token = null, Uri? server = null)
    {
        var address = new IPAddress(
            [127, 0, 0, (byte)(FirstAddress + Interlocked.Increment(ref _addresses))]);
        var handler = new SocketsHttpHandler
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectCallback = async (context, cancellation) =>
            {
                var socket = new Socket(
                    AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
                {
                    NoDelay = true,
                };
                socket.Bind(new IPEndPoint(address, 0));
                await socket.ConnectAsync(
                    IPAddress.Loopback, context.DnsEndPoint.Port, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        var client = new HttpClient(handler) { BaseAddress = server ?? Address };
        if (token is not null)
        {
            client.DefaultRequestHeaders.Authorization =
                new AuthenticationHeaderValue("Bearer", token);
        }

        return client;
    }
}
