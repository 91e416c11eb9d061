using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Backprop.Benchmarks;

/// <summary>What it takes to wake a thread of this process, here and back, by halves: what a step
/// is made of where nothing is computed.</summary>
internal static class WakeUps
{
    private const int Turns = 20_000;
    private const int WarmUps = 2_000;
    private const int Bytes = 128;

    public static void Print()
    {
        Console.WriteLine("\na thread wakes another, p50 us: "
            + string.Create(
                CultureInfo.InvariantCulture,
                $"by a monitor {OverMonitor():F1}, over a Unix socket"
                + $" {OverSocket(Unix()):F1}, over TCP {OverSocket(Tcp()):F1}"));
    }

    private static double OverMonitor()
    {
        object gate = new();
        bool isHere = false;
        void Await(bool wanted)
        {
            lock (gate)
            {
                while (isHere != wanted)
                {
                    Monitor.Wait(gate);
                }

                isHere = !wanted;
                Monitor.Pulse(gate);
            }
        }

        var other = new Thread(() => Repeat(() => Await(true)));
        other.Start();
        double median = Repeat(() =>
        {
            lock (gate)
            {
                isHere = true;
                Monitor.Pulse(gate);
                while (isHere)
                {
                    Monitor.Wait(gate);
                }
            }
        });
        other.Join();
        return median;
    }

    private static double OverSocket((Socket Here, Socket There) pair)
    {
        using Socket here = pair.Here;
        using Socket there = pair.There;
        byte[] echoed = new byte[Bytes];
        var other = new Thread(() => Repeat(() =>
        {
            Fill(there, echoed);
            there.Send(echoed);
        }));
        other.Start();
        byte[] bytes = new byte[Bytes];
        double median = Repeat(() =>
        {
            here.Send(bytes);
            Fill(here, bytes);
        });
        other.Join();
        return median;
    }

    private static void Fill(Socket socket, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[socket.Receive(bytes)..];
        }
    }

    private static (Socket Here, Socket There) Unix()
    {
        string path = Path.Combine(Path.GetTempPath(), $"backprop-wake-{Environment.ProcessId}");
        return Join(AddressFamily.Unix, new UnixDomainSocketEndPoint(path));
    }

    private static (Socket Here, Socket There) Tcp()
    {
        (Socket here, Socket there) =
            Join(AddressFamily.InterNetwork, new IPEndPoint(IPAddress.Loopback, 0));
        here.NoDelay = there.NoDelay = true;
        return (here, there);
    }

    private static (Socket Here, Socket There) Join(AddressFamily family, EndPoint end)
    {
        using var listener = new Socket(family, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(end);
        listener.Listen(1);
        var here = new Socket(family, SocketType.Stream, ProtocolType.Unspecified);
        here.Connect(listener.LocalEndPoint!);
        return (here, listener.Accept());
    }

    private static double Repeat(Action turn)
    {
        var halves = new double[Turns];
        for (int i = -WarmUps; i < Turns; i++)
        {
            long from = Stopwatch.GetTimestamp();
            turn();
            if (i >= 0)
            {
                halves[i] = Stopwatch.GetElapsedTime(from).TotalMicroseconds / 2;
            }
        }

        Array.Sort(halves);
        return halves[Turns / 2];
    }
}
