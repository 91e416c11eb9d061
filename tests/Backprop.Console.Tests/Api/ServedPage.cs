using System.Collections.Frozen;
using System.Net.Sockets;
using System.Text;
using Backprop.Console.Api;
using Microsoft.AspNetCore.Builder;

namespace Backprop.Console.Tests.Api;

/// <summary>A page of a test's own files, served as the program serves its own.</summary>
internal sealed class ServedPage : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly WebApplication _application;

    private ServedPage(WebApplication application)
    {
        _application = application;
        Client = new HttpClient
        {
            BaseAddress = new Uri(application.Urls.First()),
            Timeout = s_patience,
        };
    }

    /// <summary>Asks it, and decompresses nothing.</summary>
    public HttpClient Client { get; }

    /// <summary>Serves files by their names in the page's folder.</summary>
    public static Task<ServedPage> StartAsync(params (string Name, string Text)[] files) =>
        StartAsync(PageFiles.Of(files.Select(file =>
            KeyValuePair.Create(file.Name, Encoding.UTF8.GetBytes(file.Text)))));

    /// <summary>Serves files by their paths.</summary>
    public static async Task<ServedPage> StartAsync(FrozenDictionary<string, PageFile> files)
    {
        WebApplication application = ApiServer.CreateBuilder("127.0.0.1", 0).Build();
        PageRoutes.Map(application, files);
        await application.StartAsync();
        return new ServedPage(application);
    }

    /// <summary>Asks for a path that no client would let through, exactly as it is written.
    /// </summary>
    public async Task<string> AskAsync(string path)
    {
        using var limit = new CancellationTokenSource(s_patience);
        using var connection = new TcpClient();
        Uri address = Client.BaseAddress!;
        await connection.ConnectAsync(address.Host, address.Port, limit.Token);
        await using NetworkStream stream = connection.GetStream();
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes(
                $"GET {path} HTTP/1.1\r\nHost: {address.Authority}\r\nConnection: close\r\n\r\n"),
            limit.Token);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(limit.Token);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _application.DisposeAsync();
    }
}
