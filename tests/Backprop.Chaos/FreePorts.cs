using System.Net;
using System.Net.Sockets;

namespace Backprop.Chaos;

/// <summary>Ports that nobody uses, below those that the system gives away by itself.</summary>
internal static class FreePorts
{
    private const int First = 15_000;
    private const int Count = 17_000;
    private const int Attempts = 200;

    private static readonly Lock s_gate = new();
    private static readonly HashSet<int> s_taken = [];

    /// <summary>One that is free at an address and at the loopback address.</summary>
    public static int Next(IPAddress address)
    {
        lock (s_gate)
        {
            for (int i = 0; i < Attempts; i++)
            {
                int port = First + Random.Shared.Next(Count);
                if (!s_taken.Contains(port) && IsFree(address, port)
                    && IsFree(IPAddress.Loopback, port))
                {
                    s_taken.Add(port);
                    return port;
                }
            }
        }

        throw new IOException("no port is free");
    }

    private static bool IsFree(IPAddress address, int port)
    {
        try
        {
            using var probe = new TcpListener(address, port);
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
